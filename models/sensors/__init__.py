"""What a sensor is, in one place: its layout, units, cleaning rules, view as a batch, default encoders.

Store, batches, readers, encoders, figures and tables read it from here. A *sensor* is a device and its
definition; a *modality* is a sensor in its role as one of the M inputs of a model.

`layouts` (how a frame is shaped), `views` (how frames become batches), `sensor` (the definition),
`mmfi` (those of MM-Fi), `triplets` (image, 2D and 3D), `triplet_inputs` (what encoders take of them),
`registry` (all of them, installed packages included).
"""

from __future__ import annotations

from equipose.models.sensors.layouts import Grid, Image, Layout, Points
from equipose.models.sensors.registry import DEFAULT_SENSORS, SENSORS, in_order, sensor_of, subset_name
from equipose.models.sensors.sensor import Sensor
from equipose.models.sensors.views import GridView, ImageView, PointsView, View, point_views

__all__ = [
    "DEFAULT_SENSORS",
    "SENSORS",
    "Grid",
    "GridView",
    "Image",
    "ImageView",
    "Layout",
    "Points",
    "PointsView",
    "Sensor",
    "View",
    "in_order",
    "point_views",
    "sensor_of",
    "subset_name",
]
