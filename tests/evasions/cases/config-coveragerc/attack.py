from kit import write

write(".coveragerc", "[run]\nsource = larder\nomit = */sale.*\n")
