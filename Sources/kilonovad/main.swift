print("kilonovad")
