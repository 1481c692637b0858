"""PLM-VideoBench (arXiv 2504.13180, section 4 and appendix D): FGQA, SGQA, RCap, RTLoc, RDCap."""
