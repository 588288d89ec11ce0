"""The files of a plugin that begins: a distribution that installs, and tests itself."""
