"""Helpers of the Neural Network Basics course.

The first cell of every lesson needs only the names exported here. Everything else lives in a
submodule (``data``, ``training``, ``plotting``, ``explore``, ``exercises``) that you import where
you use it. Importing this package imports torch and nothing heavier.
"""

from course_utils.environment import device, doctor, setup
from course_utils.verify import verify

__version__ = "0.1.0"

__all__ = ["__version__", "device", "doctor", "setup", "verify"]
