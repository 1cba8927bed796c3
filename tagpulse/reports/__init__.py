"""Reports that leave the house: what was counted, in the words and forms that others quote."""
