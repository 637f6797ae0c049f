"""MARS: radar frames by their counter, Kinect joints by name, movements by jumps, the rest simulated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipose.models.skeleton import JOINTS
from equipose.pipelines.cleaning import assemble
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.kinect import KINECT_JOINTS, SAME_JOINT, to_joints, to_pose
from equipose.pipelines.readers.mars import MarsReader
from equipose.pipelines.readers.mars_files import KINECT_COLUMNS, read_part, read_table
from equipose.pipelines.readers.movements import cuts_in_counter, cuts_in_motion, find_cuts
from equipose.pipelines.simulator import PROVENANCE
from equipose.pipelines.store import SequenceKey

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "mars"
needs_real = pytest.mark.skipif(not REAL.exists(), reason=f"needs the real MARS data in {REAL}")
Write = Callable[..., Path]
KEY = SequenceKey("E01", "S01", "A02", "test")


def file_of(root: Path, name: str, subject: int = 1) -> Path:
    return root / "synced_data" / "wooutlier" / f"subject{subject}" / "timesplit" / name


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def test_kinect_rows_become_our_joints_and_axes() -> None:
    x, y, z = (np.arange(25) + 100 * axis for axis in range(3))
    pose = to_pose(to_joints(np.concatenate([x, y, z])[None].astype(float)))[0]
    assert len(set(SAME_JOINT.values())) == len(JOINTS) == len(SAME_JOINT)
    for joint, place in zip(JOINTS, pose, strict=True):
        column = KINECT_JOINTS.index(SAME_JOINT[joint])
        assert place.tolist() == [column, -(column + 200), column + 100]
        side = joint.split("_")[0]
        assert side not in ("left", "right") or SAME_JOINT[joint].lower().endswith(side)


def test_each_movement_of_each_part_is_a_sequence(write_mars: Write) -> None:
    write_mars(part="validate")
    root = write_mars(part="test", start=90_000)
    keys = MarsReader().sequences(root)
    assert {key.action for key in keys} == {f"A{n:02d}" for n in range(1, 11)}
    assert len(keys) == 20
    first, second = (MarsReader().read(root, KEY._replace(part=part)) for part in ("validate", "test"))
    assert first.numbers.tolist() == list(range(1, 13))
    assert second.numbers.tolist() == list(range(13, 25))
    assert MarsReader().notes(root) == ()


def test_radar_rows_are_grouped_by_the_counter_and_turned(write_mars: Write) -> None:
    root = write_mars()
    table = np.loadtxt(file_of(root, "radar_data_test.csv"), delimiter=",", skiprows=1)
    counters = list(dict.fromkeys(table[:, 0]))
    raw = MarsReader().read(root, KEY)
    for frame, counter in zip(raw.frames["mmwave"], counters[12:24], strict=True):
        rows = table[table[:, 0] == counter]
        expected = np.column_stack([rows[:, 2], -rows[:, 4], rows[:, 3], rows[:, 5], rows[:, 6]])
        assert np.array_equal(frame, expected)  # type: ignore[arg-type]


def test_missing_sensors_are_simulated_and_labelled_so(write_mars: Write) -> None:
    write_mars(subject=1)
    root = write_mars(subject=2, radar=False)
    with_radar, without = (assemble(MarsReader().read(root, KEY._replace(subject=s))) for s in ("S01", "S02"))
    assert with_radar.provenance == dict.fromkeys(["rgb", "lidar", "wifi"], PROVENANCE) | dict.fromkeys(
        ["mmwave", "pose"], "real"
    )
    assert without.provenance == with_radar.provenance | {"mmwave": PROVENANCE}
    assert without.valid["wifi"].all()
    assert [note for note in MarsReader().notes(root) if "S02 test has no radar" in note]


def test_a_count_of_frames_that_differs_is_an_error(write_mars: Write) -> None:
    root = write_mars()
    edit(file_of(root, "kinect_data_test.csv"), lambda lines: lines[:-1])
    with pytest.raises(
        DataError, match=r"radar_data_test.csv: number of radar frames is 120; it must equal the 119"
    ):
        MarsReader().sequences(root)


@pytest.mark.parametrize("name", ["kinect_data_test.csv", "radar_data_test.csv"])
@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00\x01" * 9, b"Frame #\n"])
def test_other_tables_are_refused_by_name(write_mars: Write, name: str, content: bytes) -> None:
    root = write_mars()
    file_of(root, name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: .*expected a CSV table with the columns"):
        MarsReader().sequences(root)


def test_a_table_without_rows_is_refused(write_mars: Write) -> None:
    root = write_mars()
    edit(file_of(root, "kinect_data_test.csv"), lambda lines: lines[:1])
    with pytest.raises(DataError, match="without rows"):
        MarsReader().sequences(root)


def test_a_counter_that_is_no_number_is_refused(write_mars: Write) -> None:
    root = write_mars()
    edit(file_of(root, "radar_data_test.csv"), lambda lines: [*lines[:2], "x" + lines[2], *lines[3:]])
    with pytest.raises(DataError, match="`Frame #` in line 3"):
        MarsReader().sequences(root)


def test_bad_numbers_mark_their_frames_and_keep_the_rows(write_mars: Write) -> None:
    root = write_mars()
    bad = "what," + "inf," * 73 + "nan"
    edit(file_of(root, "kinect_data_test.csv"), lambda lines: [*lines[:15], bad, *lines[16:]])
    edit(file_of(root, "radar_data_test.csv"), lambda lines: [*lines[:-1], lines[-1][:20]])
    sequence = assemble(MarsReader().read(root, KEY))
    expected = [n != 2 for n in range(12)]
    assert sequence.valid["pose"].tolist() == expected
    assert sequence.valid["rgb"].tolist() == expected
    assert sequence.valid["mmwave"].all()
    assert {(d.modality, d.frame) for d in sequence.defects} == {
        (m, 3) for m in ("pose", "rgb", "lidar", "wifi")
    }
    last = assemble(MarsReader().read(root, KEY._replace(action="A10")))
    assert last.valid["mmwave"].tolist() == [True] * 11 + [False]


def test_a_number_of_movements_other_than_ten_is_noted(write_mars: Write) -> None:
    root = write_mars(movements=7)
    assert {key.action for key in MarsReader().sequences(root)} == {f"A{n:02d}" for n in range(1, 8)}
    assert any("falls into 7 movements by its motion, not 10" in note for note in MarsReader().notes(root))


def test_asking_for_an_absent_part_is_an_error(write_mars: Write) -> None:
    with pytest.raises(DataError, match="S01 train is absent"):
        MarsReader().read(write_mars(), KEY._replace(part="train"))


def test_cuts_follow_the_counter_first() -> None:
    counter = np.concatenate([np.arange(20) + 2000 * m for m in range(10)]).astype(float)
    still = np.zeros((200, 25, 3))
    assert cuts_in_counter(counter) == tuple(range(0, 200, 20))
    assert find_cuts(still, counter).rule == "radar counter"
    assert find_cuts(still, np.arange(200.0)).starts == (0,)
    assert not find_cuts(still, None).complete


def test_fast_smooth_motion_and_single_glitches_near_a_cut_do_not_cut() -> None:
    time = np.linspace(0, 2 * np.pi * 6, 200)
    joints = np.zeros((200, 25, 3)) + np.sin(time)[:, None, None]
    assert np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() > 0.3
    assert cuts_in_motion(joints) == (0,)
    joints[100:] += 1.0
    joints[103] += 0.5
    assert cuts_in_motion(joints) == (0, 100)


@needs_real
@pytest.mark.parametrize(("subject", "part"), [(s, p) for s in (1, 3) for p in ("validate", "test")])
def test_on_real_data_motion_and_counter_agree(subject: int, part: str) -> None:
    folder = REAL / "synced_data" / "wooutlier" / f"subject{subject}" / "timesplit"
    found = read_part(folder, part)
    joints = to_joints(read_table(folder / f"kinect_data_{part}.csv", KINECT_COLUMNS))
    assert found.cuts.complete
    assert found.cuts.rule == "radar counter"
    assert cuts_in_motion(joints) == found.cuts.starts


@needs_real
def test_all_real_subjects_have_ten_movements() -> None:
    reader = MarsReader()
    assert len(reader.sequences(REAL)) == 60
    assert reader.notes(REAL) == tuple(
        f"S02 {part} has no radar: mmwave is simulated from its motion" for part in ("validate", "test")
    )


@needs_real
@pytest.mark.parametrize("subject", [1, 3])
def test_left_is_left_in_real_motion_and_real_radar(subject: int) -> None:
    """In the left (right) arm's movement its wrist moves most, and moving radar points lie on that side."""
    part = read_part(REAL / "synced_data" / "wooutlier" / f"subject{subject}" / "timesplit", "validate")
    assert part.radar is not None
    means = []
    for movement, side in ((0, "left"), (1, "right")):
        rows = part.rows(movement)
        spread = part.pose[rows].std(axis=0).sum(axis=-1)
        assert JOINTS[int(spread.argmax())] == f"{side}_wrist"
        points = np.concatenate(part.radar[rows])
        means.append(points[np.abs(points[:, 3]) > 0.1, 0].mean())
    assert means[0] > 0.15
    assert means[1] < -0.1
    height = part.pose[:, JOINTS.index("head"), 1] - part.pose[:, JOINTS.index("pelvis"), 1]
    assert (height < 0).all()


def test_the_state_follows_the_files_of_the_subject(write_mars: Callable[..., Path]) -> None:
    root = write_mars()
    first, *_ = MarsReader().sequences(root)
    before = MarsReader().state(root, first)
    write_mars(subject=2)
    assert MarsReader().state(root, first) == before
    write_mars(part="validate", start=5)
    assert MarsReader().state(root, first) != before, "frame numbers depend on every part"


def test_links_are_followed_into_the_named_folders_only(
    write_mars: Callable[..., Path], tmp_path: Path
) -> None:
    root = write_mars()
    timesplit = root / "synced_data" / "wooutlier" / "subject1" / "timesplit"
    (tmp_path / "disk").mkdir()
    timesplit.rename(tmp_path / "disk" / "timesplit")
    timesplit.symlink_to(tmp_path / "disk" / "timesplit")
    with pytest.raises(DataError, match=r"link is leaving .*--follow-links FOLDER"):
        MarsReader().sequences(root)
    assert len(MarsReader(follow_links=(tmp_path / "disk",)).sequences(root)) == 10
