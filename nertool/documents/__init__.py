"""What `predict` reads and writes: files of any form in, tagged documents out."""
