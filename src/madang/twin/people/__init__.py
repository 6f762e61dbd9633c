"""The people twin: residents of a city and how they spend a day, at one-minute steps.

Persons stay inside. What leaves are counts of ten or more (`counts`), and the trips of vehicles
that no person, home or household goes with (`madang.twin.demand`).
"""
