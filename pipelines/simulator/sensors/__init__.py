"""Simulated sensors: `camera`, `infra`, `depth`, `lidar`, `radar`, WiFi `csi`; `signals` that they share."""
