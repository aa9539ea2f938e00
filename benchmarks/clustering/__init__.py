"""How good the clusters are beside other methods', and what keeping them costs."""
