"""Complete, typed configurations: what each named run consists of, down to every number."""
