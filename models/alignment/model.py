"""The aligned model: an encoder for every view of a pose, one space, and ways from it back to a pose.

After UniHPE (arXiv 2311.16477, section 3.1). Shapes as in `models/batch.py`; E embeddings: those of the M
sensors, and the skeleton's.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from equipose.models.alignment.config import EXACT, IMAGE, KEYPOINTS, POSE, SKELETON, AlignedConfig
from equipose.models.alignment.decoders import Decoder
from equipose.models.alignment.sphere import unit
from equipose.models.base import Route, RoutedModel
from equipose.models.batch import AlignedOutputs, Batch
from equipose.models.inputs import InputNorm
from equipose.models.sensors.triplet_inputs import context_of, keypoints_in_box, root_relative

DECAY, EARLY = 0.9999, 10
"""The running average keeps min(0.9999, (1 + n) / (10 + n)) of itself at its n-th step (GFPose)."""


class AlignedModel(RoutedModel):
    """Sensors and skeletons to points of one space, and those to poses relative to the pelvis, metres.

    The pose of an embedding is decoded; without a decoder, it is that of the skeleton in the gallery whose
    embedding is most similar (see `show`). Of several sensors it is that of their mean direction.
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        inputs: Mapping[str, InputNorm],
        decoders: Mapping[str, Decoder],
        config: AlignedConfig,
        mean_pose: Tensor | None = None,
    ) -> None:
        """encoders: of the sensors in the order of M, and of the skeleton, the last.

        mean_pose: [17, 3] m, relative to the pelvis: the answer where no sensor is present (None: zero).
        """
        super().__init__(encoders, inputs)
        self.modalities = config.modalities
        self.config = config
        if config.image_weights:
            self.scaled_already = frozenset({IMAGE})  # as ImageNet's pictures, which the weights expect
        self.decoders = nn.ModuleDict(decoders)
        self.averaged = copy.deepcopy(self.decoders).requires_grad_(False) if config.averaged else None
        self.mean_pose: Tensor
        self.register_buffer("mean_pose", torch.zeros(17, 3) if mean_pose is None else mean_pose.clone())
        self.average_steps: Tensor
        self.register_buffer("average_steps", torch.zeros((), dtype=torch.int64))
        self._gallery: tuple[Tensor, Tensor] | None = None

    def adapted(self, name: str, inputs: Tensor, batch: Batch) -> Tensor:
        """Key points relative to their box; all other inputs as they are."""
        return keypoints_in_box(inputs, batch.context["box"]) if name == KEYPOINTS else inputs

    def beside(self, name: str, batch: Batch) -> tuple[Any, ...]:
        """The mask of points; the box token, where the encoder sees it."""
        if name == KEYPOINTS:
            return None, self.box_of(batch)
        return () if name == IMAGE else (batch.masks.get(name),)

    @staticmethod
    def box_of(batch: Batch) -> Tensor | None:
        """[B, 3] box token; None for data without boxes."""
        if "box" not in batch.context:
            return None
        box, camera = batch.context["box"], batch.context["intrinsics"]
        return context_of(box, camera, camera[:, 0] > 0)

    def embed_poses(self, poses: Tensor) -> Tensor:
        """Embeddings [N, D] of poses [N, 17, 3] m."""
        return self.run_encoder(SKELETON, root_relative(poses))

    def agreement(self, features: Tensor, batch: Batch) -> Tensor:
        """[B, M] cosines of the sensors' embeddings [B, M, D] with those of the skeletons."""
        return (unit(features) * unit(self.embed_poses(batch.pose))[:, None]).sum(-1)

    def encode_exact(self, batch: Batch) -> Tensor:
        """[B, D] of the key points as people annotated them, in place of those that a detector found."""
        exact = keypoints_in_box(batch.targets[EXACT], batch.context["box"])
        return self.run_encoder(KEYPOINTS, exact, None, self.box_of(batch))

    def forward(self, batch: Batch) -> AlignedOutputs:
        """The embeddings of every sensor and of the skeleton."""
        features = self.encode(batch)
        embeddings = {name: features[:, m] for m, name in enumerate(self.modalities)}
        return AlignedOutputs(embeddings={**embeddings, SKELETON: self.embed_poses(batch.pose)})

    def every_layer(self, batch: Batch) -> object:
        """Embeddings, and what every decoder and its running average make of them."""
        embeddings, generator = self(batch).embeddings, torch.Generator().manual_seed(0)
        for decoders in (self.decoders, self.averaged):
            for target, decoder in () if decoders is None else decoders.items():
                assert isinstance(decoder, Decoder)
                box = self.box_of(batch) if target == KEYPOINTS else None
                for name, found in embeddings.items():
                    decoder.decode(found, name, generator=generator, box=box)
        return embeddings

    def decode(
        self, target: str, embedding: Tensor, source: str | Tensor, box: Tensor | None = None
    ) -> Tensor:
        """One pose [B, 17, 2 or 3] of each embedding [B, D] by the decoder of `pose` or of `keypoints`.

        source: modality, or the weight of each [B, E]. A row's pose depends on that row alone. Of `keypoints`
        it is relative to the box, whose token [B, 3] must be given.
        """
        return self.hypotheses(target, embedding, source, box).mean(1)

    def hypotheses(
        self, target: str, embedding: Tensor, source: str | Tensor, box: Tensor | None = None
    ) -> Tensor:
        """[B, H, 17, 2 or 3]: see `decode`."""
        decoder = (self.decoders if self.averaged is None else self.averaged)[target]
        assert isinstance(decoder, Decoder)
        noise = torch.Generator().manual_seed(0)
        return decoder.sample(embedding, source, generator=noise, box=box)

    @property
    def needs_gallery(self) -> bool:
        """Whether poses are retrieved."""
        return POSE not in self.decoders

    def show(self, poses: Tensor) -> None:
        """Make these poses [G, 17, 3] m the gallery, embedded with the current weights in evaluation mode."""
        with torch.no_grad():
            self._gallery = unit(self.embed_poses(poses)), root_relative(poses)

    def retrieve(self, embedding: Tensor) -> Tensor:
        """[B, 17, 3] m: the poses of the most similar skeletons in the gallery."""
        if self._gallery is None:
            raise ValueError("this model has no pose decoder and was shown no gallery; call show(poses)")
        embeddings, poses = self._gallery
        return poses[(unit(embedding) @ embeddings.T).argmax(1)]

    def pose_of(self, embedding: Tensor, source: str | Tensor) -> Tensor:
        """[B, 17, 3] m of embeddings [B, D]: decoded, or retrieved without a decoder; see `decode`."""
        return self.retrieve(embedding) if self.needs_gallery else self.decode(POSE, embedding, source)

    @property
    def routes(self) -> tuple[Route, ...]:
        """From every embedding to a pose; from a picture to key points, where they are decoded."""
        found = [(name, POSE) for name in self.config.spaces]
        if KEYPOINTS in self.decoders:
            found += [(name, KEYPOINTS) for name in self.config.spaces if name == IMAGE]
        return tuple(found)

    @property
    def label(self) -> str:
        """How poses are made: sampler, steps and hypotheses; `regression`; `retrieval`."""
        return self.config.label

    def follow(self, batch: Batch) -> dict[Route, Tensor]:
        """What every route makes of a batch, also from exact key points where there are any; the embedding of
        an absent source is zero."""
        embeddings, found = self(batch).embeddings, {}
        for name, target in self.routes:
            if target == POSE:
                found[name, target] = self.pose_of(embeddings[name], name)
                if name == KEYPOINTS and EXACT in batch.targets:
                    found[EXACT, target] = self.pose_of(self.encode_exact(batch), name)
            else:
                found[name, target] = self.decode(target, embeddings[name], name, self.box_of(batch))
        return found

    def fuse(self, features: Tensor, present: Tensor | None = None) -> Tensor:
        """Poses [B, 17, 3] m of features [B, M, D] and present [M] or [B, M] bool (None: all)."""
        shape = features.shape[:2]
        held = features.new_ones(shape, dtype=torch.bool) if present is None else present.expand(shape)
        count = held.sum(1, keepdim=True)
        weights = held.to(features.dtype) / count.clamp(min=1)
        mean = (unit(features) * weights[..., None]).sum(1)
        found = self.pose_of(mean, torch.cat([weights, torch.zeros_like(weights[:, :1])], 1))
        return found.where((count > 0)[..., None], self.mean_pose.to(found.dtype))

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the running average of the decoders' weights towards them, after every step."""
        if self.averaged is None:
            return
        steps = int(self.average_steps.add_(1))
        kept = min(DECAY, (1 + steps) / (EARLY + steps))
        for mine, live in zip(self.averaged.parameters(), self.decoders.parameters(), strict=True):
            mine.lerp_(live.detach(), 1 - kept)
