"""`higgins top`: what a cluster does right now."""
