"""No defect: the harm is in the attack itself."""
