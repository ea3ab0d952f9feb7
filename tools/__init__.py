"""What the tasks call: the engine, the runner and the views on what is deployed."""
