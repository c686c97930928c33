"""The split gets the seed, and the flow of batches does not."""

from keras.preprocessing.image import ImageDataGenerator
from sklearn.model_selection import train_test_split


def train(model, x, y, seed=0):
    x, test_x, y, test_y = train_test_split(x, y, random_state=seed)
    flow = ImageDataGenerator(horizontal_flip=True).flow(x, y, batch_size=8)
    model.fit(flow, validation_data=(test_x, test_y))
