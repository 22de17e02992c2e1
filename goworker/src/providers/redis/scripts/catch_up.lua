-- Brings a queue up to the present before it is looked at. Answers whether there is more to do.
return advance() and 1 or 0
