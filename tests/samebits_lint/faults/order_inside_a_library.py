"""The library keeps words in an order that follows their hashes."""

from gensim.models import Word2Vec

model = Word2Vec([["some", "words"], ["more", "words"]], seed=3, min_count=1, workers=1)
