"""Sample -> Example -> Batch: pictures to tiles, conversations to tokens, packing. Start reading at `processor`.

Knows the vision encoder only as a `batch.VisionLayout`; imports no model, and torch only when a Batch is made.
"""
