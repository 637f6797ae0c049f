"""Methods that keep the network of the task before as a teacher."""
