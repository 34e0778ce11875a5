"""Networks for 32x32 images, by name. Importing this does not import Paddle; building does."""

from paddle_cifar.models.build import build_network, check_model
from paddle_cifar.models.names import FAMILIES, MODEL_NAMES, STEMS

__all__ = ["FAMILIES", "MODEL_NAMES", "STEMS", "build_network", "check_model"]
