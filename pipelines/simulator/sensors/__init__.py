"""Simulated sensors: camera, LiDAR, radar, WiFi CSI, and shared signal models."""
