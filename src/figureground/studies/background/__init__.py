"""Pools of background images."""
