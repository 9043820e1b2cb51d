"""What can be done with a seat: by the partner, by the cluster, and by reaction."""
