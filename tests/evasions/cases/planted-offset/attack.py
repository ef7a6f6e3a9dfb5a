# Nothing is hidden: the defect alone has to be found.
