from kit import write

write(".bandit", "[bandit]\nskips = B602\n")
