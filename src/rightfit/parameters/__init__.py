"""The parameter blocks that Rightfit reads: their models, the library's values, and the grid."""
