"""The counts the district asks for, each of which opens its list: students, mornings, answers, casework."""
