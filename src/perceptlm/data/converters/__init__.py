"""Released data sets -> Samples, at the edge: `tables` reads rows, one module per family makes Samples of them,
`formats` names the families, `convert` drives. No torch, no pixels."""
