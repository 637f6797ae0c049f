// What a player does; together with drawing.js in one function, see equipose.pipelines.player.page.

const THUMB = 8; // half of the scrubber's thumb, so that the curve's cursor stands below it
const SPEEDS = [0.25, 0.5, 1, 2, 4];
const HOME = {yaw: 0.45, pitch: 0.18, zoom: 1};
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function player(root) {
  const find = name => root.querySelector(`.motion-${name}`);
  const clip = JSON.parse(root.querySelector("script").textContent), frames = clip.numbers.length;
  const series = clip.series.map(one => ({
    ...one, pose: numbers(one.pose), errors: one.errors && numbers(one.errors), shown: true,
  }));
  const extents = [false, true].map(middled => extent(series, clip.joints, middled));
  const highest = Math.max(1, ...series.flatMap(one => one.errors ? [...one.errors].filter(e => e === e) : []));
  const [scene, curve, scrub, play, speed] = ["scene", "curve", "scrub", "play", "speed"].map(find);
  const canvases = [...root.querySelectorAll(".motion-panels canvas")];
  const drawings = clip.panels.map(panel => PANELS[panel.kind](panel, frames, () => redraw()));
  const view = {...HOME};
  let frame = 0, playing = false, clock = 0, before = 0, waiting = false, seen = true;

  function colours() {
    const style = getComputedStyle(root), of = name => style.getPropertyValue(`--m-${name}`).trim();
    return {ink: of("ink"), muted: of("muted"), line: of("line"), series: ["truth", "p1", "p2", "p3"].map(of)};
  }

  function drawScene(ink) {
    const [pen, width, height] = fresh(scene), middled = find("centre").checked;
    const {centre, radius, floor} = extents[+middled];
    const place = camera(view, centre, radius, width, height);
    pen.strokeStyle = ink.line;
    pen.lineWidth = 1;
    for (let i = -4; i <= 4; i++) for (const along of [0, 2]) {
      const [from, to] = [-1, 1].map(end => {
        const at = [centre[0] + i / 4 * radius, floor, centre[2] + i / 4 * radius];
        at[along] = centre[along] + end * radius;
        return place(...at);
      });
      pen.beginPath();
      pen.moveTo(from[0], from[1]);
      pen.lineTo(to[0], to[1]);
      pen.stroke();
    }
    series.forEach(({pose, shown}, index) => {
      const start = frame * clip.joints * 3;
      if (!shown || isNaN(pose[start])) return;
      const root = middled ? [0, 1, 2].map(i => pose[start + i]) : [0, 0, 0], points = [];
      for (let j = start; j < start + 3 * clip.joints; j += 3)
        points.push(place(pose[j] - root[0], pose[j + 1] - root[1], pose[j + 2] - root[2]));
      strokes(pen, points, clip.bones, ink.series[index], index ? 2.5 : 5);
    });
    if (series.every(({pose}) => isNaN(pose[frame * clip.joints * 3])))
      note(pen, "no pose in this frame", width, height, ink.muted);
  }

  function drawCurve(ink) {
    const [pen, width, height] = fresh(curve), top = 18, bottom = height - 4;
    const across = i => THUMB + (width - 2 * THUMB) * i / Math.max(1, frames - 1);
    const down = error => bottom - (bottom - top) * error / highest;
    pen.strokeStyle = ink.line;
    pen.lineWidth = 1;
    for (const level of [0, highest]) {
      pen.beginPath();
      pen.moveTo(THUMB, down(level));
      pen.lineTo(width - THUMB, down(level));
      pen.stroke();
    }
    series.forEach(({errors, shown}, index) => {
      if (!errors || !shown) return;
      pen.strokeStyle = ink.series[index];
      pen.lineWidth = 1.5;
      pen.beginPath();
      errors.forEach((error, i) => {
        if (error !== error) return;
        i && errors[i - 1] === errors[i - 1] ? pen.lineTo(across(i), down(error)) : pen.moveTo(across(i) - 0.5, down(error));
        pen.lineTo(across(i), down(error));
      });
      pen.stroke();
    });
    pen.strokeStyle = ink.ink;
    pen.beginPath();
    pen.moveTo(across(frame), top);
    pen.lineTo(across(frame), bottom);
    pen.stroke();
    pen.fillStyle = ink.muted;
    pen.fillText(`error, highest ${highest.toFixed(0)} mm`, THUMB, 12);
  }

  function said() {
    const errors = series.slice(1).map(({name, errors}) => {
      const known = errors[frame] === errors[frame];
      return known ? `${name} ${errors[frame].toFixed(1)} mm` : `${name}: no error known`;
    });
    const blind = isNaN(series[0].pose[frame * clip.joints * 3]) ? ["true pose not known"] : [];
    const time = `${(frame * clip.seconds).toFixed(1)} s`;
    return [`Frame ${clip.numbers[frame]}`, time, ...errors, ...blind].join(" · ");
  }

  function draw() {
    const ink = colours();
    drawScene(ink);
    if (curve) drawCurve(ink);
    canvases.forEach((canvas, i) => {
      const [pen, width, height] = fresh(canvas);
      if (!drawings[i](pen, width, height, frame, ink, view)) note(pen, "no reading", width, height, ink.muted);
    });
    const text = said();
    find("readout").textContent = text;
    scrub.value = frame;
    scrub.setAttribute("aria-valuetext", text);
  }

  function redraw() {
    if (waiting || !seen) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  function go(to) {
    frame = clamp(Math.round(to), 0, frames - 1);
    clock = frame;
    redraw();
  }

  function tick(now) {
    if (!playing) return;
    if (seen) {
      const passed = clamp(now - before, 0, 250); // a frame may have begun before the click
      clock = (clock + passed / 1000 * speed.value / clip.seconds) % frames;
      if (Math.floor(clock) !== frame) { frame = Math.floor(clock); redraw(); }
    }
    before = now;
    requestAnimationFrame(tick);
  }

  function toggle(on) {
    playing = on && frames > 1;
    play.textContent = playing ? "Pause" : "Play";
    play.setAttribute("aria-pressed", playing);
    before = performance.now();
    if (playing) requestAnimationFrame(tick);
  }

  function turn(yaw, pitch) {
    view.yaw += yaw;
    view.pitch = clamp(view.pitch + pitch, -1.5, 1.5);
    redraw();
  }

  const zoom = factor => { view.zoom = clamp(view.zoom * factor, 0.3, 6); redraw(); };
  const reset = () => { Object.assign(view, HOME); redraw(); };
  const faster = by => {
    speed.value = SPEEDS[clamp(SPEEDS.indexOf(+speed.value) + by, 0, SPEEDS.length - 1)];
  };
  const TURNS = {ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1]};
  const KEYS = {
    " ": () => toggle(!playing), ArrowLeft: () => go(frame - 1), ArrowRight: () => go(frame + 1),
    Home: () => go(0), End: () => go(frames - 1), "[": () => faster(-1), "]": () => faster(1),
    "+": () => zoom(1.2), "=": () => zoom(1.2), "-": () => zoom(1 / 1.2), 0: reset,
  };

  function key(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const own = event.target.closest("select") ||
      event.target.closest(event.key === " " ? "button, input[type=checkbox]" : "input[type=range]");
    const does = event.shiftKey && TURNS[event.key] ? () => turn(...TURNS[event.key]) : KEYS[event.key];
    if (own || !does) return;
    event.preventDefault();
    does();
  }

  function drag(canvas, start, move) {
    canvas.addEventListener("pointerdown", event => { canvas.setPointerCapture(event.pointerId); start(event); });
    canvas.addEventListener("pointermove", event => { if (canvas.hasPointerCapture(event.pointerId)) move(event); });
  }

  let last = null;
  drag(scene, event => { last = event; }, event => {
    turn((event.clientX - last.clientX) * 0.01, (event.clientY - last.clientY) * 0.01);
    last = event;
  });
  if (curve) {
    const scrubTo = event => {
      const box = curve.getBoundingClientRect();
      go((event.clientX - box.left - THUMB) / (box.width - 2 * THUMB) * (frames - 1));
    };
    drag(curve, scrubTo, scrubTo);
  }
  play.addEventListener("click", () => toggle(!playing));
  find("reset").addEventListener("click", reset);
  find("centre").addEventListener("change", redraw);
  scrub.addEventListener("input", () => go(+scrub.value));
  root.querySelectorAll("[data-series]").forEach(box => box.addEventListener("change", () => {
    series[box.dataset.series].shown = box.checked;
    redraw();
  }));
  const alone = document.querySelectorAll(".motion").length === 1;
  (alone && document.body.classList.contains("motion-page") ? document : root).addEventListener("keydown", key);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new ResizeObserver(redraw).observe(root);
  new IntersectionObserver(([entry]) => { seen = entry.isIntersecting; redraw(); }).observe(root);
  draw();
  if ("playing" in root.dataset && !calm.matches) toggle(true);
}

document.querySelectorAll(".motion").forEach(player);
