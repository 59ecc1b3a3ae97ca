"""Types that texts earn, and the SQL checking them.

checks    SQL that casts text to types and checks every value
evidence  Combine the evidence of a column's texts into one type
infer     Types that one text could have
declared  SQL that checks texts against declared types
"""
