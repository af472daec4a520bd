"""The numpy room: sorted columns per meter, kernels over them, and their files. numpy and the standard library only."""
