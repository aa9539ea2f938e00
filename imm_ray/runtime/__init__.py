"""Ray: plain classes that become actors and deployments here, and nowhere else."""
