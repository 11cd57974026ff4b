"""Meters of the measured process: CPU, memory, disturbance, core speed, device and energy."""
