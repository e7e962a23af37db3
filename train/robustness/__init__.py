"""How far a bundle carries over to another bin: named shifts of photographs, made independently of all training."""
