"""Simulated sensors: `camera`, `lidar`, `radar`, WiFi `csi`, and the random `signals` that they share."""
