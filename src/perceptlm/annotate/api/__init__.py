"""The service over HTTP: routes, who may use them, and how refusals are put into words. Changes nothing by itself."""
