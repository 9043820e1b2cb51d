"""What a partner is, without a database, a clock or a framework.

kinds          the kinds of partner, and what other systems call them
names          names in any script, and when two are the same
identifiers    numbers that other registers gave, checked
localisation   local actor: yes, no or undetermined, and on what evidence
life           the states and the moves between them
partner        the partner itself and every decision about it
access         who may see, edit and judge it
"""
