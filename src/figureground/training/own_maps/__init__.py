"""Maps of the training images by the network that is being trained: made, cached, moved as the images are."""
