"""Prometheus exporter for PlanetScale deploy requests."""
