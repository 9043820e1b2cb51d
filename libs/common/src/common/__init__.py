"""What every Frontline service is built from: one way to write, seal, publish, mirror and read.

Nothing here knows partners, payments or clusters; a service brings those as a `Service` table.
"""
