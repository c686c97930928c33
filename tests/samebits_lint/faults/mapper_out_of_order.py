"""A mapper of threads is told to give results as they get ready."""

from torchdata.nodes import IterableWrapper, Loader, ParallelMapper

loader = Loader(ParallelMapper(IterableWrapper(range(9)), abs, num_workers=4, in_order=False))
