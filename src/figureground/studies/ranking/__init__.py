"""Which of many images show what is sought? Scores for all of them, and the first ones to look through."""
