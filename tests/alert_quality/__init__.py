"""How good the shipped alerts are: fleets with their own truth, the real exporter, a real Prometheus, and a judge."""
