"""The demo: two trainings on data that come with the package, compared."""
