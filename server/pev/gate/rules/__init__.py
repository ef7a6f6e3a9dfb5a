"""What the checks `security` look for, by language: rules on syntax trees."""
