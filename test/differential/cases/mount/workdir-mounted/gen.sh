echo mine > f
