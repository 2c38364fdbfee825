"""The machinery behind the exercises; lessons use the names in ``course_utils.exercises``."""
