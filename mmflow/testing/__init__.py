"""What helps you to test workflows and plugins; nothing in production imports it."""
