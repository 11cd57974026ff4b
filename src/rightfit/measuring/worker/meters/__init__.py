"""Meters of the measured process: CPU, memory, device and energy."""
