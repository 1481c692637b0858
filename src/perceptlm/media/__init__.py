"""Images and videos: decoding, exact frame times, frame sampling, red-box overlays, contact sheets, writing.

Built on PyAV, Pillow and numpy. Nothing here loads torch or knows samples, tasks or models.
"""
