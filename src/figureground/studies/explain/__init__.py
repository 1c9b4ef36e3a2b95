"""Explaining a folder of images: overlays, raw maps, boxes, one record."""
