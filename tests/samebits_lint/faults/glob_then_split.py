"""Cases are found with glob, and split into three parts."""

import glob


def loaders(root):
    paths = glob.glob(f"{root}/*.npz")
    return paths[:70], paths[70:80], paths[80:]
