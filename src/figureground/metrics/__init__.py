"""Floor 2: how good maps are; a metric never knows which method made them."""
